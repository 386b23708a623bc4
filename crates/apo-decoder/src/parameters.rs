//! A module's parameters: made, found by name, moved, cast.
//!
//! A parameter's name is its path in the module, which is its name in the file.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};

use apo_kernels::Precision;

use crate::evaluate::values;
use crate::matmul::cast_operand;

/// Makes a parameter, tracked if its device has autodiff.
///
/// # Shapes
///
/// - `value` and the result: `[…]`
pub(crate) fn parameter<const D: usize>(value: Tensor<D>) -> Param<Tensor<D>> {
    let value = if value.device().is_autodiff() {
        value.require_grad()
    } else {
        value
    };
    Param::initialized(ParamId::new(), value)
}

/// Returns the values of one parameter, or `None` if no parameter has that name.
pub(crate) fn values_of<M: Module>(module: &M, name: &str) -> Option<Vec<f32>> {
    let mut finder = Finder {
        path: Vec::new(),
        name,
        found: None,
    };
    module.visit(&mut finder);
    finder.found
}

/// Calls `visit` with every parameter's name, in the module's order.
pub(crate) fn for_each_name<M: Module>(module: &M, visit: impl FnMut(&str)) {
    module.visit(&mut Namer {
        path: Vec::new(),
        visit,
    });
}

/// Returns the module with its matrices held in a precision.
pub(crate) fn cast<M: Module>(module: M, precision: Precision) -> M {
    module.map(&mut Caster { precision })
}

/// Returns the module on a device, tracked if the device has autodiff.
pub(crate) fn to_device<M: Module>(module: M, device: &Device) -> M {
    module.map(&mut Mover { device })
}

struct Finder<'a> {
    path: Vec<String>,
    name: &'a str,
    found: Option<Vec<f32>>,
}

impl ModuleVisitor for Finder<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if self.found.is_none() && self.path.join(".") == self.name {
            self.found = Some(values(parameter.val()));
        }
    }
}

struct Namer<F> {
    path: Vec<String>,
    visit: F,
}

impl<F: FnMut(&str)> ModuleVisitor for Namer<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        (self.visit)(&self.path.join("."));
    }
}

struct Caster {
    precision: Precision,
}

impl ModuleMapper for Caster {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, _) = parameter.consume();
        let tensor = if D == 2 {
            cast_operand(tensor, self.precision)
        } else {
            tensor
        };
        Param::initialized(id, tensor)
    }
}

struct Mover<'a> {
    device: &'a Device,
}

impl ModuleMapper for Mover<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, _) = parameter.consume();
        let tensor = if tensor.device().is_autodiff() {
            tensor.inner()
        } else {
            tensor
        };
        let mut tensor = tensor.to_device(&self.device.clone().without_autodiff());
        if self.device.is_autodiff() {
            tensor = Tensor::from_inner(tensor).require_grad();
        }
        Param::initialized(id, tensor)
    }
}
