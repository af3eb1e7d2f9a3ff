"""From a patient's numbers to Hounsfield units on a grid, with a mask of each finding."""
