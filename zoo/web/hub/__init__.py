"""The Hub's wire protocol, for huggingface_hub, timm, transformers and git-lfs as they are."""
