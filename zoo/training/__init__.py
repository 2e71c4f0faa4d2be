"""Fine-tuning: codes, the probe, its metrics. Knows no catalog."""
