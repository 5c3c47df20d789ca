# CUDA kernels are plain functions on pointers, without Torch's headers. They build where both nvcc and a CUDA torch are
# found, or wherever nvcc is when POLYMOE_CUDA_COMPILE_ONLY asks for it (so that machines without a GPU check them).
option(POLYMOE_CUDA_COMPILE_ONLY "Compile the CUDA kernels even without a CUDA torch; they are not linked" OFF)
