//! Keys of unsupported features, with the value that turns each off.

use super::off::Off;

/// Keys that are refused unless they are off.
pub(super) const REFUSED: &[(Off, &str)] = &[
    (
        Off::False,
        "_remove_final_layer_norm adapter_layer_norm adapter_reuse_layer_norm add_bias_linear \
         add_cross_attention add_out_norm add_qkv_bias alibi apply_residual_connection_post_layernorm \
         apply_spec_augment \
         attention_bias attention_k_eq_v attention_out_bias attention_qkv_bias attn_bias \
         attn_output_gate attn_temperature_tuning attn_uses_sequence_id bias bidirectional \
         concat_input cross_attn_all_layers enable_bias enable_moe_block enable_pronunciation enable_shape gated_attention gating \
         is_encoder_decoder is_moe layernorm_embedding learned_pos_emb lm_head_bias ln_before_adapter \
         load_in_4bit load_in_8bit logn_attn mlp_bias multi_query mup_enabled \
         new_decoder_architecture norm_bias normalize_reward parallel_attn parallel_residual \
         post_norm prefix_lm projectors_bias qk_layernorm qk_ln qk_norm qk_rms_norm qkv_bias \
         rescale_embeddings rope_interleave rope_interleaved rotary_emb_interleaved \
         rotary_interleaved rotary_value sandwich_norm scale_embedding scale_embeddings \
         share_encoder_decoder_embeddings tie_codebooks_embeddings tie_encoder_decoder use_alibi \
         use_attention_bias use_attention_gate use_attention_sinks use_bias \
         use_bidirectional_attention use_conv_bias use_double_wide_mlp use_dynamic_ntk \
         use_expert_bias use_learned_position_embeddings use_logn_attn use_long_context \
         use_mem_rope use_moe use_mrope use_mup use_ordered_embeddings use_parallel_residual \
         use_post_norm use_prompt use_qk_norm use_qkv_bias use_sandwich_norm \
         use_shared_attention_adapter use_task_id use_weighted_layer_sum use_xpos xpos",
    ),
    (
        Off::True,
        "add_final_norm causal do_layer_norm_before elementwise_affine final_norm gated_mlp glu \
         is_causal layer_norm_elementwise_affine no_bias norm_elementwise_affine \
         norm_first normalize_before pre_norm rms_norm rmsnorm rope_enabled rotary scale_attn \
         scale_attn_weights swiglu use_causal_mask use_gated_mlp use_glu use_rms_norm use_rmsnorm \
         use_rope use_rotary use_rotary_emb use_rotary_embeddings use_rotary_position_embeddings \
         use_swiglu",
    ),
    (
        Off::Zero,
        "attention_dropout attention_probs_dropout_prob attn_dropout attn_pdrop embd_pdrop \
         embedding_dropout hidden_dropout hidden_dropout_prob mlp_dropout num_mtp_layers \
         num_nextn_predict_layers resid_pdrop residual_dropout",
    ),
    (
        Off::One,
        "attention_value_scale block_ffn_dim_multiplier embed_scale embedding_fraction \
         embedding_multiplier embedding_scale full_attn_alpha_factor full_attn_beta_factor \
         linear_attn_alpha_factor linear_attn_beta_factor lm_head_multiplier logit_scale \
         logits_scaling mlp_alpha_factor mlp_beta_factor partial_rotary_factor \
         residual_multiplier residual_scale rope_condense_ratio rope_factor rope_fraction \
         rope_pct rope_percent rope_ratio rope_scaling_factor rotary_emb_fraction rotary_fraction \
         rotary_pct rotary_percentage scale_emb",
    ),
    (Off::Word("default none"), "rope_scaling_type rope_type"),
    (
        Off::Word("rope rotary"),
        "pos_emb_type position_embedding_type position_embeddings_type position_encoding \
         position_encoding_type positional_encoding",
    ),
    (
        Off::Word("rmsnorm rms_norm rms llamarmsnorm"),
        "layer_norm_type layernorm_type norm_class norm_type normalization normalization_type",
    ),
    (
        Off::Word("full_attention full multihead_attention causal"),
        "attention_type attn_type",
    ),
    (
        Off::Empty,
        "alibi_bias_max attention_chunk_size attention_multiplier attention_scale \
         attention_scaling attention_softmax_scale attn_logit_softcapping attn_scale \
         attn_temperature clip_qkv dim_model_base kv_lora_rank moe_intermediate_size \
         n_routed_experts no_rope_layer_interval no_rope_layers num_experts num_experts_per_tok \
         num_local_experts pruned_heads q_lora_rank qk_l2_clip_threshold query_pre_attn_scalar \
         rel_l2_clip_threshold rotary_dim rotary_emb_scale_base rotary_ndims scale_depth \
         softmax_scale swiglu_alpha swiglu_limit unpadded_vocab_size xpos_scale_base \
         audio_config compression_config cross_attention_hidden_size final_logit_softcapping \
         hidden_size_per_layer_input language_config llm_config logit_soft_cap logits_soft_cap \
         mm_vision_tower num_kv_shared_layers per_layer_config quant_config quantization \
         quantization_config text_config vision_config",
    ),
    (
        Off::Blank,
        // Features of architectures that are not supported.
        "H_cycles L_bp_cycles L_cycles activation_sparsity_pattern adapter_rank \
         adapter_reduction_factor attention_types \
         attn_layer_indices attn_layer_offset attn_layer_period block_types \
         chain_hidden_post_norm chunk_size compress_rates d_rel dense_intermediate_size downsample_ratio \
         embedding_dim embedding_size emb_layer_norm expand floor_scale force_image_size gate_soft_cap \
         gated_norm_rank heads_per_ngram input_embedding_size interleave_moe_layer_step \
         intermediate_size_mlp laurel_rank layer_group_size layer_scale \
         layers_block_type learnable_sink_init log_scaling_alpha log_scaling_n_floor logit_scale_init_value \
         logits_mup_width_multiplier make_ngram_vocab_size_divisible_by max_patch_length median_filter_width mixer_rms_eps mlp_layer_types \
         mlp_only_layers multi_query_group_num n_groups n_input_layers n_layers_per_attn_res_block n_mamba_heads \
         n_output_layers n_recurrent_layers n_recurrent_loops n_shared_experts \
         ngpt_alpha_init num_attention_heads_per_layer num_buckets num_centroids num_dense_layers \
         num_layers_per_stack num_ln_in_parallel_attn num_mem_blocks num_random_blocks o_groups \
         o_lora_rank output_embedding_size output_gate_type output_vocab_size \
         pad_head_dim_to_multiple_of ple_embed_dim ple_layer_ids position_bias_max_distance \
         position_bias_num_buckets prefix_dense_intermediate_size projection_dim prompt_length \
         prompt_mid_dim prompt_types qk_dim_factor qk_nope_head_dim rel_extent \
         relative_attention_num_buckets relative_max_distance rescale_every rms_norm_eps_moe_gate sconv_kernel_size \
         segment_types shared_intermediate_size state_size task_type_vocab_size type_vocab_size \
         upsampling_factor v_dim_factor vocab_size_per_layer_input word_embed_proj_dim",
    ),
];

/// Keys that request attention to a window of the context: refused like
/// `sliding_window`.
pub(in super::super) const WINDOWS: &str = "_sliding_window_pattern attention_window attention_window_size full_attn_idxs \
     global_attn_every_n_layers interleaved_sliding_window keep_window_size local_attention \
     local_attention_window local_attention_window_len local_layer_ids \
     prefix_dense_sliding_window_pattern sliding_window sliding_window_pattern \
     sliding_window_size window_size";

/// Prefixes of keys, the feature they belong to, and the value that turns it
/// off. They are looked up after all other tables.
pub(super) const BEGINNINGS: &[(&str, Off, &str)] = &[
    (
        "a mixture of experts",
        Off::Blank,
        "expert_ experts_ moe_ num_expert num_shared_expert route_ routed_ router_ \
         shared_expert topk_ top_k_experts zero_expert",
    ),
    (
        "a state-space or recurrent model",
        Off::Blank,
        "cca_ conv_ conv1d_ hidden_mamba_ kda_ linear_ lru_ mamba_ recurrent_ short_conv_ ssm_ \
         time_step_",
    ),
    (
        "a model of images, sound or several streams of tokens",
        Off::Blank,
        "audio_ chroma codebook codec_ depth_decoder feature_size image_ mask_feature_ \
         mask_time_ mm_ num_channels num_chroma num_codebooks num_image_ num_mel_ num_query_tokens \
         patch patcher_ projector_ qformer_ speech_ video_ vision_ vocabulary_map vq_",
    ),
    (
        "a model with an encoder",
        Off::Blank,
        "cross_att decoder encoder num_decoder_ num_encoder_ text_encoder",
    ),
    (
        "attention of another kind",
        Off::Blank,
        "block_ index_ indexer_ latent_ swa_",
    ),
    (
        "a stack of another kind",
        Off::Blank,
        "altup_ boundary_ centroid_ compress_ global_ hash_ hc_ hidden_size_ local_ loop_ \
         mtp_ ngram ple_ pronunciation_ shape_ split_ngram_",
    ),
];

/// Suffixes of keys, in the same way.
pub(super) const ENDS: &[(&str, Off, &str)] = &[
    ("a model within another one", Off::Blank, "_config"),
    (
        "a scaling that is not computed",
        Off::One,
        "_multiplier _multipliers",
    ),
    (
        "a cap that is not computed",
        Off::Empty,
        "_softcap _soft_cap _softcapping _softcap_value _logit_cap",
    ),
];
