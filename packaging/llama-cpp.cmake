# How llama.cpp is compiled for this host; the one place where that is chosen.
# Read through CMAKE_PROJECT_llama_cpp_INCLUDE (see packaging/setup.sh), right after llama-cpp-python's project().
# Normal variables, because llama-cpp-python sets some of these in the cache by force (CMP0126 lets ours win).

set(GGML_NATIVE ON)          # this machine's instruction set; a packaged program needs GGML_BACKEND_DL + GGML_CPU_ALL_VARIANTS
set(LLAMA_BUILD_COMMON OFF)  # the command-line tools' helpers, an HTTP client among them: not used, half the build time
set(LLAVA_BUILD OFF)         # image input for local models: not offered yet
