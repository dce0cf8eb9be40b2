"""Error rates and calibration of classifiers, and the quality of generated samples."""
