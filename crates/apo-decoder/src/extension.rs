//! What this crate's own Burn operators share: the arguments of log-probs, and a
//! place in the graph with a backward pass of their own.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use apo_kernels::Precision;

/// The tokens whose log-probs are computed, one for each row.
#[derive(Debug)]
pub struct Targets {
    pub(crate) ids: Vec<usize>,
    pub(crate) precision: Precision,
}

/// What an operator with `N` inputs keeps for its backward pass.
///
/// The backward pass computes the gradient of every input. Only `matmul.rs` has one of
/// its own, which leaves out what nobody needs.
pub(crate) trait SavedForBackward<B: Backend, const N: usize>:
    Clone + Debug + Send + 'static
{
    /// Returns the gradient of each input, in its shape, from the gradient of
    /// the output; `None` for an input that the operator was not given.
    fn gradients(self, dout: FloatTensor<B>) -> [Option<FloatTensor<B>>; N];

    /// Puts the operator's output into the graph. Inputs that it was not given are `None`.
    /// `keep` is called if an input has a gradient.
    fn track<C: CheckpointStrategy>(
        inputs: [Option<NodeGuard>; N],
        out: FloatTensor<B>,
        keep: impl FnOnce() -> Self,
    ) -> FloatTensor<Autodiff<B, C>> {
        // An operator's number of inputs is fixed: a constant takes the place of each that
        // is missing.
        let constant = || FloatTensor::<Autodiff<B, C>>::new(out.clone()).node();
        let inputs = inputs.map(|it| it.unwrap_or_else(constant));
        let prepared = BackwardPass::<Self>(PhantomData).prepare::<C>(inputs);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(keep(), out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// The backward pass of the operator that keeps `S`.
#[derive(Debug)]
struct BackwardPass<S>(PhantomData<S>);

impl<B: Backend, S: SavedForBackward<B, N>, const N: usize> Backward<B, N> for BackwardPass<S> {
    type State = S;

    fn backward(self, ops: Ops<S, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let dout = gradients.consume::<B>(&ops.node);
        let found = ops.state.gradients(dout);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
