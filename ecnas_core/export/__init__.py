"""A chosen cell to take along: source, specification, training script, model card, as a folder or a zip."""
