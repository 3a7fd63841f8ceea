// Package readmetest executes the commands of the README.
package readmetest
