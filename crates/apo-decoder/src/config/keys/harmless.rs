//! Keys that do not change the computation, by reason.

/// Reasons, and the keys to which each applies.
pub(super) const HARMLESS: &[(&str, &str)] = &[
    (
        "names and versions of what wrote the file, and how it was trained",
        "_commit_hash _name_or_path default_language finetuning_task generation_config init_config is_llama_config \
         languages license local_rank model_name name_or_path seed task task_specific_params transformers.js_config transformers_version \
         unsloth_fixed unsloth_version",
    ),
    (
        "the numbers that weights are stored in: each tensor says it itself",
        "dtype torch_dtype use_bfloat16",
    ),
    (
        "how a library computes, not what",
        "_attn_implementation _attn_implementation_autoset _attn_implementation_internal \
         _experts_implementation _flash_attn_2_enabled apply_query_key_layer_scaling attn_impl \
         attn_implementation attention_softmax_in_fp32 autocast_kernel_dtype cache_implementation \
         chunk_size_feed_forward chunkwise_kernel cpu_offload enable_moe_fp32_combine \
         fp32_residual_connection fused_bias_fc fused_dropout_add_ln fused_mlp \
         gradient_checkpointing inference_state_dtype init_device low_cpu_mem_usage mode \
         max_inference_chunksize norm_reduction_force_float32 num_logits_to_keep output_attentions \
         output_hidden_states patch_in_forward patching_specs residual_in_fp32 return_dict \
         return_last_states scale_attention_softmax_in_fp32 sequence_kernel slow_but_exact \
         step_kernel tie_last_hidden_states torchscript use_associative_scan use_cache \
         use_cut_cross_entropy use_falcon_mambapy use_flash_attention use_flash_attn \
         use_fused_mlp use_fused_rms_norm use_fused_rope use_fused_swiglu use_mamba_kernels \
         use_mambapy use_mem_eff_path use_past use_return_dict use_sdpa use_xformers verbose weight_mode",
    ),
    (
        "into how many slices older versions cut a product, whose sum is the same",
        "pretraining_tp",
    ),
    (
        "a role within encoder-decoder models, without effect on a decoder alone",
        "is_decoder",
    ),
    (
        "labels of a classifier: how many there are is seen in `score.weight`",
        "id2label label2id num_labels problem_type",
    ),
    (
        "heads of other kinds, whose weights are refused",
        "classifier_activation classifier_bias classifier_dropout classifier_dropout_prob \
         classifier_pooling classifier_proj_size pooling summary_activation summary_first_dropout \
         summary_last_dropout summary_proj_to_labels summary_type summary_use_proj \
         token_classification_bias",
    ),
    (
        "how many positions other models have a table of: rotary embeddings need none",
        "block_size context_length max_seq_len max_sequence_length max_source_positions \
         max_target_positions max_text_tokens n_ctx n_positions seq_length",
    ),
    (
        "how weights are drawn at first: `initializer_range` decides it here",
        "embedding_initializer_range init_method_std init_std initializer_cutoff_factor \
         initializer_factor lambda_std_dev rescale_prenorm_residual w_init_variance_scale",
    ),
    (
        "what `intermediate_size` was computed from",
        "expansion_ratio ffn_dim_multiplier ffn_proj_factor ffn_round_up_to_multiple_of \
         intermediate_multiple_size mlp_ratio multiple_of",
    ),
    (
        "the tokenizer's, which has files of its own",
        "add_bos_token add_eos_token model_max_length prefix tokenizer_class \
         tokenizer_config tokenizer_model_max_length tokenizer_padding_side",
    ),
    (
        "settings of generation, which stages take from their arguments",
        "bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping \
         encoder_no_repeat_ngram_size exponential_decay_length_penalty length_penalty max_length \
         max_new_tokens min_length no_repeat_ngram_size num_beam_groups num_beams \
         num_return_sequences output_scores remove_invalid_values repetition_penalty \
         return_dict_in_generate suppress_tokens temperature top_k top_p typical_p",
    ),
    (
        "losses and modes of libraries that are not used here",
        "aux_loss_alpha aux_loss_coef disable_ngram_loss keys_to_ignore_at_inference loss_type \
         moe_loss_weight mtp_loss_scaling_factor output_router_logits router_aux_loss_coef \
         router_z_loss_coef seq_aux tf_legacy_loss z_loss_coefficient",
    ),
    (
        "how tokens are sent to experts, where other keys say that there are some",
        "decoder_sparse_step expert_selection_fn first_k_dense_replace input_jitter_noise \
         moe_jitter_eps n_group norm_topk_prob routed_scaling_factor router_jitter_noise \
         scoring_func topk_group topk_method",
    ),
    (
        "from which layer on windows slide, where `use_sliding_window` says that they do",
        "max_window_layers",
    ),
    ("the model's own code, which a warning names", "auto_map"),
];

/// Suffixes of keys that name a token's id: the tokenizer defines the tokens,
/// and `READ` has the ids that are needed.
pub(super) const TOKENS: [&str; 3] = ["_token_id", "_token_ids", "_token_index"];
