"""The guests of the lab: kernel, small initramfs with our agent, and the QEMU that runs them."""
