"""What races share with the tests of leasing."""

from tests.leasing.conftest import world as world
