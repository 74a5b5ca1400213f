"""What ways in to a host have in common: reckonings over the contracts that every face asks for."""
