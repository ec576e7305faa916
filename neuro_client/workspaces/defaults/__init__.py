"""The programs of a workspace that names none: they run on its workers, beside `model_def.py`."""
