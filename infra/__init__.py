"""How it is done: settings, wiring, database, broker, intake, e-conomic."""
