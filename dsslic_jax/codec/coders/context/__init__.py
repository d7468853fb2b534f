"""The context coder of label maps and small pictures (context mixing)."""
