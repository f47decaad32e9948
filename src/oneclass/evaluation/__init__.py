"""How well a detector does where the truth is known: folders in the layout of MVTec AD.

layout      which pictures, kinds of defect and masks a category has
ranking     AUROC, average precision and F1 of images, with intervals
pixels      AUROC and AU-PRO of maps, with intervals, from counts at thresholds
measuring   one category with one setting: fit, score, measure
cells       what is kept of that
keeping     finished cells on disk, so that no work is done twice
running     categories and settings, one after the other
means       over categories
published   figures that others printed for the categories of MVTec AD and VisA
tables      all of it as tables: terminal, Markdown, JSON
page        the same as a page
"""
