"""Many machines: launches played by the nodes of a Dask cluster."""
