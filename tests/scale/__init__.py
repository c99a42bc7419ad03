"""Many machines: a shared store, replicas, workers of a cluster; and a million samples."""
