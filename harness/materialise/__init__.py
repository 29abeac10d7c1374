"""From a simulated disaster to a booted VM: images of the simulator as real VHD files, proved."""
