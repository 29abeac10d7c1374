"""The guests of the lab: a kernel, a small initramfs with our agent, and the QEMU that runs them."""
