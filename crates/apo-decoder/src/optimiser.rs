//! Gradients summed over micro-batches, and AdamW over a model's parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::decoder::Decoder;
use crate::device::has_kernels;
use crate::error::ModelError;
use crate::kernel_ops::{on_cpu, slice};
use apo_kernels::adamw::{self, AdamWStep};
use apo_kernels::stats::{KernelKind, timed};

/// Settings of AdamW (Loshchilov and Hutter 2019) that do not change during a
/// training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay of the matrices; norms have none.
    pub weight_decay: f64,
    /// The gradient is scaled down to at most this global norm.
    pub max_grad_norm: Option<f64>,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            max_grad_norm: Some(1.0),
        }
    }
}

/// The sum of the gradients of several losses: one flat tensor per
/// parameter, in the module's order.
#[derive(Debug, Default)]
pub struct GradientSum {
    tensors: Vec<Option<Tensor<1>>>,
}

impl GradientSum {
    /// Adds the gradients of a backward pass.
    pub fn add(&mut self, decoder: &Decoder, gradients: Gradients) {
        decoder.visit(&mut Adder {
            sum: self,
            gradients,
            next: 0,
        });
    }

    /// Returns the global norm over all parameters.
    ///
    /// # Errors
    ///
    /// When it is not finite.
    pub fn norm(&self) -> Result<f64, ModelError> {
        let mut squares = 0.0;
        let mut on_device = Vec::new();
        for tensor in self.tensors.iter().flatten() {
            if !has_kernels(&tensor.device()) {
                on_device.push(sums_of_squares(tensor.clone()));
                continue;
            }
            let n = tensor.shape().num_elements();
            squares += timed(KernelKind::Optimiser, 2 * n, 4 * n, || {
                // A view: taking out the data would copy all gradients.
                adamw::sum_of_squares(slice(&on_cpu(tensor.clone())))
            });
        }
        if !on_device.is_empty() {
            // All at once, because every read waits for the device.
            let sums = Tensor::cat(on_device, 0).into_data().convert::<f32>();
            let sums = sums.as_slice::<f32>().expect("converted to f32");
            squares += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
        }
        let norm = squares.sqrt();
        if norm.is_finite() {
            return Ok(norm);
        }
        Err(ModelError::NotFinite {
            what: "the gradient's norm".into(),
            found: norm as f32,
        })
    }

    /// Calls `visit` with every parameter's name and gradient, which is empty
    /// if no loss reached the parameter.
    ///
    /// # Shapes
    ///
    /// - a gradient: flat, `[elements]`
    pub fn for_each(&self, decoder: &Decoder, mut visit: impl FnMut(&str, Vec<f32>)) {
        let mut tensors = self.tensors.iter();
        decoder.for_each_name(|name| {
            let gradient = tensors.next().cloned().flatten();
            let values = gradient.map_or_else(Vec::new, |tensor| {
                let data = tensor.into_data();
                data.try_into_vec().expect("gradients are f32")
            });
            visit(name, values);
        });
    }
}

/// Returns sums of squares over parts of a flat tensor, `[parts]`. A GPU adds up a whole
/// tensor in another order each time; a part, in the order of the kernel that tuning chose.
fn sums_of_squares(tensor: Tensor<1>) -> Tensor<1> {
    const MOST: usize = 4096;
    let n = tensor.shape().num_elements();
    let len = (1..=n.min(MOST)).rev().find(|&it| n.is_multiple_of(it));
    let Some(len) = len else {
        return tensor; // no elements
    };
    let parts = n / len;
    let squares = tensor.reshape([parts, len]).square();
    squares.sum_dim(1).reshape([parts])
}

struct Adder<'a> {
    sum: &'a mut GradientSum,
    gradients: Gradients,
    next: usize,
}

impl ModuleVisitor for Adder<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensors = &mut self.sum.tensors;
        if self.next == tensors.len() {
            tensors.push(None);
        }
        if let Some(gradient) = parameter.val().grad_remove(&mut self.gradients) {
            let n = gradient.shape().num_elements();
            let gradient: Tensor<1> = gradient.reshape([n]);
            tensors[self.next] = Some(match tensors[self.next].take() {
                None => gradient,
                Some(sum) => add_gradients(sum, gradient),
            });
        }
        self.next += 1;
    }
}

fn add_gradients(sum: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
    let device = sum.device();
    if !has_kernels(&device) {
        return sum + gradient;
    }
    let (mut to, from) = (sum.into_data(), gradient.into_data());
    adamw::add_assign(floats(&mut to), from.as_slice().expect("gradients are f32"));
    Tensor::from_data(to, &device)
}

fn floats(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("parameters and moments are f32")
}

/// AdamW's moments and its count of steps.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    /// Steps taken.
    steps: u32,
    /// First and second moment of each parameter, flat, in the module's order.
    moments: Vec<[Tensor<1>; 2]>,
}

impl AdamW {
    /// Starts with zero moments.
    pub fn new(settings: AdamWSettings) -> Self {
        Self {
            settings,
            steps: 0,
            moments: Vec::new(),
        }
    }

    /// Returns the steps taken.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Takes a step and returns the updated model; `norm` is the gradient's
    /// norm before clipping.
    #[must_use]
    pub fn step(
        &mut self,
        decoder: Decoder,
        gradients: GradientSum,
        norm: f64,
        learning_rate: f64,
    ) -> Decoder {
        self.steps += 1;
        let settings = &self.settings;
        let power = |beta: f64| 1.0 - beta.powf(f64::from(self.steps));
        let clip = match settings.max_grad_norm {
            Some(most) if norm > most => most / norm,
            _ => 1.0,
        };
        let step = AdamWStep {
            learning_rate: learning_rate as f32,
            beta_1: settings.beta_1 as f32,
            beta_2: settings.beta_2 as f32,
            epsilon: settings.epsilon as f32,
            weight_decay: settings.weight_decay as f32,
            first_correction: power(settings.beta_1) as f32,
            second_correction: power(settings.beta_2) as f32,
            gradient_scale: clip as f32,
        };
        // Read: parameter, gradient, moments; written: parameter, moments.
        let n_elements: usize = gradients
            .tensors
            .iter()
            .flatten()
            .map(|it| it.shape().num_elements())
            .sum();
        let gradients = gradients.tensors.into_iter();
        timed(
            KernelKind::Optimiser,
            16 * n_elements,
            28 * n_elements,
            || {
                decoder.map(&mut Stepper {
                    step,
                    moments: &mut self.moments,
                    gradients,
                    next: 0,
                })
            },
        )
    }

    /// Returns the two moments of a parameter; zeros before the first step.
    ///
    /// # Shapes
    ///
    /// - each moment: flat, `[elements]`
    ///
    /// # Panics
    ///
    /// When there is no parameter of that name.
    pub fn moments_of(&self, decoder: &Decoder, name: &str) -> [Vec<f32>; 2] {
        let (mut at, mut next) = (None, 0);
        decoder.for_each_name(|found| {
            if found == name {
                at = Some(next);
            }
            next += 1;
        });
        let at = at.unwrap_or_else(|| panic!("no parameter is called `{name}`"));
        let Some(pair) = self.moments.get(at) else {
            let n = decoder.values_of(name).len();
            return [vec![0.0; n], vec![0.0; n]];
        };
        pair.each_ref().map(|moment| {
            let data = moment.clone().into_data();
            data.try_into_vec().expect("moments are f32")
        })
    }

    /// Restores another AdamW from its moments by parameter name.
    ///
    /// # Errors
    ///
    /// When `read` fails.
    pub fn resume(
        settings: AdamWSettings,
        steps: u32,
        decoder: &Decoder,
        device: &Device,
        mut read: impl FnMut(&str) -> Result<[Vec<f32>; 2], ModelError>,
    ) -> Result<Self, ModelError> {
        let device = device.clone().without_autodiff();
        let mut names = Vec::new();
        decoder.for_each_name(|name| names.push(name.to_owned()));
        let mut moments = Vec::with_capacity(names.len());
        for name in &names {
            moments.push(read(name)?.map(|values| {
                let shape = [values.len()];
                Tensor::from_data(TensorData::new(values, shape), &device)
            }));
        }
        Ok(Self {
            settings,
            steps,
            moments,
        })
    }
}

struct Stepper<'a> {
    step: AdamWStep,
    moments: &'a mut Vec<[Tensor<1>; 2]>,
    gradients: std::vec::IntoIter<Option<Tensor<1>>>,
    next: usize,
}

impl ModuleMapper for Stepper<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, _) = parameter.consume();
        let shape = tensor.shape();
        let n = shape.num_elements();
        let value = tensor.inner();
        let device = value.device();
        if self.next == self.moments.len() {
            let zeros = || Tensor::<1>::zeros([n], &device);
            self.moments.push([zeros(), zeros()]);
        }
        // Burn changes a tensor in place if nothing else holds it; meanwhile
        // the list holds empty tensors.
        let empty = || Tensor::<1>::zeros([0], &device);
        let [first, second] = std::mem::replace(&mut self.moments[self.next], [empty(), empty()]);
        let gradient = self.gradients.next().flatten();
        let mut step = self.step;
        if D == 1 {
            step.weight_decay = 0.0;
        }
        let value: Tensor<1> = value.reshape([n]);
        let gradient = gradient.unwrap_or_else(|| Tensor::zeros([n], &device));
        let (value, moments) = updated(value, gradient, first, second, &step, &device);
        self.moments[self.next] = moments;
        self.next += 1;
        let value: Tensor<D> = value.reshape(shape);
        Param::initialized(id, Tensor::from_inner(value).require_grad())
    }
}

fn updated(
    value: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    step: &AdamWStep,
    device: &Device,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    if has_kernels(device) {
        let gradient = gradient.into_data();
        let [mut value, mut first, mut second] = [value, first, second].map(Tensor::into_data);
        adamw::update(
            floats(&mut value),
            gradient.as_slice().expect("gradients are f32"),
            floats(&mut first),
            floats(&mut second),
            step,
        );
        let [value, first, second] =
            [value, first, second].map(|data| Tensor::from_data(data, device));
        return (value, [first, second]);
    }
    let gradient = gradient.mul_scalar(step.gradient_scale);
    let first = first.mul_scalar(step.beta_1) + gradient.clone().mul_scalar(1.0 - step.beta_1);
    let second = second.mul_scalar(step.beta_2) + gradient.square().mul_scalar(1.0 - step.beta_2);
    let root = second
        .clone()
        .div_scalar(step.second_correction)
        .sqrt()
        .add_scalar(step.epsilon);
    let rate = step.learning_rate / step.first_correction;
    let value = value.mul_scalar(1.0 - step.learning_rate * step.weight_decay)
        - (first.clone() / root).mul_scalar(rate);
    (value, [first, second])
}
