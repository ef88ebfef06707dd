"""Ready policies, as data: ``NAME.yaml``, each beside its ``NAME.cases.yaml``. hubsec finds them by the entry point."""
