"""What training shows: coordinates, updates, feature speed, tangent kernels, diversity."""
