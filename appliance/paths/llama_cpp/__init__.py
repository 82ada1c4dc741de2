"""The local generative path: llama.cpp in a supervised child process."""
