"""Timings of training steps beside a baseline and the machine's own limits."""

import logging

logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # torch.utils.benchmark imports it; of CUDA without a GPU
