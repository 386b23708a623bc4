//! A model's weights as inference reads them by the CPU's kernels: for products of bf16
//! they are packed once.

use std::fmt;

use apo_kernels::bf16::Packed;
use apo_kernels::layer::{self, ForwardWeights, LayerConfig, Weight};
use apo_kernels::layout::Layout;
use apo_kernels::matrix::Matrix;
use apo_kernels::{LayerWeights, Precision};
use burn_flex::FlexTensor;

use crate::decoder::Llama;
use crate::operators::{layer_on_cpu, on_cpu, slice};

/// The layers' weights, and those of a policy's head.
#[derive(Clone)]
pub struct InferenceWeights {
    layers: Vec<LayerWeights<Held, FlexTensor>>,
    /// `[vocab, hidden]`; `None` in a reward model, whose head is a single row.
    head: Option<Held>,
}

impl fmt::Debug for InferenceWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InferenceWeights").finish_non_exhaustive()
    }
}

/// A projection's weight, as all products read it.
#[derive(Clone)]
enum Held {
    F32(FlexTensor),
    Packed(Packed),
}

impl Held {
    /// Packs a weight `[n_out, n_in]` if products are to have operands in bf16.
    fn new(weight: FlexTensor, precision: Precision) -> Self {
        let &[n_out, n_in] = weight.layout().shape().as_ref() else {
            unreachable!("a projection is a matrix");
        };
        let packed = match precision {
            Precision::F32 => None,
            Precision::Bf16 => Packed::new(Matrix::new(slice(&weight), n_out, n_in).transposed()),
        };
        packed.map_or(Self::F32(weight), Self::Packed)
    }

    fn as_ref(&self) -> Weight<'_> {
        match self {
            Self::F32(weight) => Weight::F32(slice(weight)),
            Self::Packed(weight) => Weight::Packed(weight),
        }
    }
}

impl InferenceWeights {
    /// Takes the layers out of a model, one after the other, so that hardly more than
    /// one is in memory in both forms. The model keeps its embedding, its last norm and
    /// the head of a reward model.
    pub(crate) fn take(llama: &mut Llama, precision: Precision) -> Self {
        let layers = std::mem::take(&mut llama.model.layers).into_iter();
        let held = |weight| Held::new(weight, precision);
        let layers = layers.map(|layer| layer_on_cpu(layer.weights()).map_each(held, |it| it));
        let layers = layers.collect();
        let head = (llama.score.is_none()).then(|| held(on_cpu(llama.language_head())));
        llama.lm_head = None;
        Self { layers, head }
    }

    /// Returns each layer's weights, first to last.
    pub(crate) fn layers(&self) -> impl ExactSizeIterator<Item = ForwardWeights<'_>> {
        let layers = self.layers.iter();
        layers.map(|layer| layer.as_ref().map_each(Held::as_ref, slice))
    }

    /// Returns the weight of a policy's head, `[vocab, hidden]`.
    ///
    /// # Panics
    ///
    /// In a reward model.
    pub(crate) fn head(&self) -> Weight<'_> {
        let head = self.head.as_ref();
        head.expect("a policy has a language head").as_ref()
    }

    /// Returns the last layer's output.
    ///
    /// # Shapes
    ///
    /// - `x` and the result: `[tokens, hidden]`
    pub(crate) fn forward(&self, config: &LayerConfig, layout: &Layout, x: Vec<f32>) -> Vec<f32> {
        let layer = |x: Vec<f32>, weights| layer::forward(config, layout, &x, &weights).0;
        self.layers().fold(x, layer)
    }
}
