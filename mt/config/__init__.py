"""Settings: their definitions, composition from YAML files and command line, and checks."""
