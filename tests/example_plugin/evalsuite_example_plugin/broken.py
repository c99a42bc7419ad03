"""What a plugin looks like whose own dependency is missing."""

import a_package_that_nobody_has

Nothing = a_package_that_nobody_has
