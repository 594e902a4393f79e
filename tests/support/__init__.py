"""What tests and benchmarks share: simulated panels, planted defects, odd files."""
