//! Keys that are read, and their names in other architectures.

/// Keys that [`crate::config::ModelConfig`] reads.
pub(super) const READ: &[&str] = &[
    "architectures",
    "bos_token_id",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "original_max_position_embeddings",
    "pad_token_id",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "tie_word_embeddings",
    "use_sliding_window",
    "value_head_prefix",
    "vocab_size",
];

/// Settings, and their names in other architectures. `transformers` reads
/// LLaMA's own name, so another name beside it must not differ.
pub(super) const SYNONYMS: &[(&str, &str)] = &[
    (
        "head_dim",
        "attention_head_dim attention_key_size d_head d_kv dim_head head_size kv_channels \
         qk_head_dim qk_rope_head_dim rope_head_dim v_head_dim",
    ),
    (
        "hidden_act",
        "act_fn activation activation_fn activation_function decoder_hidden_act ffn_act_fn \
         mlp_activation mlp_hidden_act",
    ),
    (
        "hidden_size",
        "attention_hidden_size backbone_hidden_size d_model dim embed_dim hidden_dim model_dim \
         n_embd",
    ),
    (
        "intermediate_size",
        "d_ff decoder_ffn_dim dim_ff ffn_dim ffn_hidden_size intermediate_dim mlp_hidden_size \
         n_inner",
    ),
    (
        "num_attention_heads",
        "attention_heads decoder_attention_heads decoder_num_attention_heads n_head n_heads \
         num_heads",
    ),
    (
        "num_hidden_layers",
        "decoder_layers decoder_num_hidden_layers layers n_layer n_layers num_blocks num_layers",
    ),
    (
        "num_key_value_heads",
        "decoder_num_key_value_heads kv_n_heads n_head_kv n_kv_heads num_kv_heads \
         num_query_groups",
    ),
    (
        "rms_norm_eps",
        "eps layer_norm_eps layer_norm_epsilon layernorm_eps layernorm_epsilon norm_eps \
         norm_epsilon rms_eps rms_norm_epsilon",
    ),
    (
        "rope_theta",
        "global_rope_theta layer_rope_theta local_rope_theta rope_base rope_freq_base \
         rope_local_base_freq rotary_base rotary_emb_base rotary_embedding_base",
    ),
    (
        "tie_word_embeddings",
        "share_embeddings share_input_output_embed tie_embedding tie_embeddings tie_lm_head \
         tie_weights tie_word_embedding tied_embeddings weight_tying",
    ),
    ("vocab_size", "n_vocab padded_vocab_size text_vocab_size"),
];
