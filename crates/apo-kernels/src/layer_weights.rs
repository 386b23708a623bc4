//! The weights of a decoder layer, in any form: slices for a kernel, tensors for an
//! operator, their gradients.

/// Picks the second argument for a matrix, the third for a vector.
macro_rules! pick {
    (Matrix, $matrix:expr, $vector:expr) => {
        $matrix
    };
    (Vector, $matrix:expr, $vector:expr) => {
        $vector
    };
}

/// Declares [`LayerWeights`] and the functions over all its fields, so that a new
/// weight is one new line.
macro_rules! layer_weights {
    ($($(#[$shape:meta])* $weight:ident: $kind:ident,)+) => {
        /// One value for each weight of a decoder layer. Projections are `[out, in]`,
        /// as in the model's files.
        #[derive(Clone, Copy, Debug)]
        pub struct LayerWeights<Matrix, Vector = Matrix> {
            $($(#[$shape])* pub $weight: $kind,)+
        }

        /// Number of weights of a layer.
        pub const N_WEIGHTS: usize = [$(stringify!($weight)),+].len();

        impl<Matrix, Vector> LayerWeights<Matrix, Vector> {
            /// Borrows each weight.
            pub fn as_ref(&self) -> LayerWeights<&Matrix, &Vector> {
                LayerWeights { $($weight: &self.$weight,)+ }
            }

            /// Converts matrices by one function and vectors by another.
            pub fn map_each<M, V>(
                self,
                mut matrix: impl FnMut(Matrix) -> M,
                mut vector: impl FnMut(Vector) -> V,
            ) -> LayerWeights<M, V> {
                LayerWeights {
                    $($weight: pick!($kind, matrix(self.$weight), vector(self.$weight)),)+
                }
            }
        }

        impl<T> LayerWeights<T> {
            /// Returns the weights as an array, in the order of the fields.
            pub fn into_array(self) -> [T; N_WEIGHTS] {
                [$(self.$weight),+]
            }

            /// Makes weights from an array in the order of the fields.
            pub fn from_array([$($weight),+]: [T; N_WEIGHTS]) -> Self {
                Self { $($weight,)+ }
            }
        }
    };
}

layer_weights! {
    /// RMS norm before attention, `[hidden]`
    input_norm: Vector,
    /// `[heads · head_dim, hidden]`
    query: Matrix,
    /// `[kv_heads · head_dim, hidden]`
    key: Matrix,
    /// `[kv_heads · head_dim, hidden]`
    value: Matrix,
    /// `[hidden, heads · head_dim]`
    output: Matrix,
    /// RMS norm before the feed-forward network, `[hidden]`
    post_norm: Vector,
    /// `[intermediate, hidden]`
    gate: Matrix,
    /// `[intermediate, hidden]`
    up: Matrix,
    /// `[hidden, intermediate]`
    down: Matrix,
}

impl<T> LayerWeights<T> {
    /// Converts every weight.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> LayerWeights<U> {
        LayerWeights::from_array(self.into_array().map(convert))
    }
}
