"""A searchable archive of studies: vectors of images and reports, full text, filters, and removal that removes."""
