"""Repositories of the Hub: timm's and transformers' classifiers of pictures."""
