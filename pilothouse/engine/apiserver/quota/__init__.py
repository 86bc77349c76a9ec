"""What namespaces use of their quotas: amounts of objects, and sums of them kept by following the store."""
