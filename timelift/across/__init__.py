"""The same strategy executed otherwise: on another backend or device, in another mode."""
