//! The weights of a decoder layer, in any form: slices for a kernel, tensors for an
//! operator, their gradients.

/// Borrows a weight of some kind.
macro_rules! borrow {
    (Option, $weight:expr) => {
        $weight.as_ref()
    };
    ($kind:ident, $weight:expr) => {
        &$weight
    };
}

/// Converts a weight of some kind by the function for matrices or by that for vectors.
macro_rules! convert {
    (Matrix, $weight:expr, $matrix:ident, $vector:ident) => {
        $matrix($weight)
    };
    (Vector, $weight:expr, $matrix:ident, $vector:ident) => {
        $vector($weight)
    };
    (Option, $weight:expr, $matrix:ident, $vector:ident) => {
        $weight.map(&mut $vector)
    };
}

/// Puts a weight of some kind into an array.
macro_rules! put {
    (Option, $weight:expr) => {
        $weight
    };
    ($kind:ident, $weight:expr) => {
        Some($weight)
    };
}

/// Takes a weight of some kind out of an array.
macro_rules! take {
    (Option, $weight:ident) => {
        $weight
    };
    ($kind:ident, $weight:ident) => {
        $weight.expect(concat!(
            "every layer has a weight `",
            stringify!($weight),
            "`"
        ))
    };
}

/// Declares [`LayerWeights`] and the functions over all its fields, so that a new
/// weight is one new line.
macro_rules! layer_weights {
    ($($(#[$shape:meta])* $weight:ident: $kind:ident $(<$of:ident>)?,)+) => {
        /// One value for each weight of a decoder layer. Projections are `[out, in]`,
        /// as in the model's files. Some architectures lack some of the vectors.
        #[derive(Clone, Copy, Debug)]
        pub struct LayerWeights<Matrix, Vector = Matrix> {
            $($(#[$shape])* pub $weight: $kind $(<$of>)?,)+
        }

        /// Number of weights that a layer may have.
        pub const N_WEIGHTS: usize = [$(stringify!($weight)),+].len();

        impl<Matrix, Vector> LayerWeights<Matrix, Vector> {
            /// Borrows each weight.
            pub fn as_ref(&self) -> LayerWeights<&Matrix, &Vector> {
                LayerWeights { $($weight: borrow!($kind, self.$weight),)+ }
            }

            /// Converts matrices by one function and vectors by another.
            pub fn map_each<M, V>(
                self,
                mut matrix: impl FnMut(Matrix) -> M,
                mut vector: impl FnMut(Vector) -> V,
            ) -> LayerWeights<M, V> {
                LayerWeights {
                    $($weight: convert!($kind, self.$weight, matrix, vector),)+
                }
            }
        }

        impl<T> LayerWeights<T> {
            /// Returns the weights as an array, in the order of the fields; `None` for
            /// those that the layer lacks.
            pub fn into_array(self) -> [Option<T>; N_WEIGHTS] {
                [$(put!($kind, self.$weight)),+]
            }

            /// Makes weights from an array in the order of the fields.
            ///
            /// # Panics
            ///
            /// When a weight that every layer has is `None`.
            pub fn from_array([$($weight),+]: [Option<T>; N_WEIGHTS]) -> Self {
                Self { $($weight: take!($kind, $weight),)+ }
            }
        }
    };
}

layer_weights! {
    /// RMS norm of the attention's input or output, `[hidden]`
    attention_norm: Vector,
    /// `[heads · head_dim, hidden]`
    query: Matrix,
    /// `[kv_heads · head_dim, hidden]`
    key: Matrix,
    /// `[kv_heads · head_dim, hidden]`
    value: Matrix,
    /// Added to the queries, `[heads · head_dim]`
    query_bias: Option<Vector>,
    /// Added to the keys, `[kv_heads · head_dim]`
    key_bias: Option<Vector>,
    /// Added to the values, `[kv_heads · head_dim]`
    value_bias: Option<Vector>,
    /// RMS norm of each query head, `[head_dim]`, or of all, `[heads · head_dim]`
    query_norm: Option<Vector>,
    /// RMS norm of each key head, `[head_dim]`, or of all, `[kv_heads · head_dim]`
    key_norm: Option<Vector>,
    /// `[hidden, heads · head_dim]`
    output: Matrix,
    /// RMS norm of the feed-forward network's input or output, `[hidden]`
    feed_forward_norm: Vector,
    /// `[intermediate, hidden]`
    gate: Matrix,
    /// `[intermediate, hidden]`
    up: Matrix,
    /// `[hidden, intermediate]`
    down: Matrix,
}

impl<T> LayerWeights<T> {
    /// Converts every weight.
    pub fn map<U>(self, mut convert: impl FnMut(T) -> U) -> LayerWeights<U> {
        LayerWeights::from_array(self.into_array().map(|it| it.map(&mut convert)))
    }
}
