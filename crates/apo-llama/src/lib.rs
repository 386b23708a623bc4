//! LLaMA policies and reward models: directories, prompt trees, kernels, generation.
