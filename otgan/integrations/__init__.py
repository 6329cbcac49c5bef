"""The distances where people already are: as metrics of torchmetrics, as estimators of scikit-learn, of groups of AnnData.

Each is a module that is imported by its own name and needs its library: :mod:`otgan.integrations.torchmetrics`,
:mod:`otgan.integrations.sklearn`, :mod:`otgan.integrations.anndata`.
"""
