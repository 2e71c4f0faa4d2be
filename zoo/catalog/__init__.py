"""What is known of the bytes: models, revisions, refs, datasets, jobs. SQL."""
