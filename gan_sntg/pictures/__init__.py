"""Picture files of people: reading of one and of many, and folders of classes."""

from gan_sntg.pictures.decode import read_picture, read_pictures
from gan_sntg.pictures.pixels import PixelFormat

__all__ = ["PixelFormat", "read_picture", "read_pictures"]
