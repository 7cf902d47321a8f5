"""Import of pretrained models in the layouts of the Hugging Face hub as run directories."""
