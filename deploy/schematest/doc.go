// Package schematest keeps the JSON Schemas in deploy/docs/schema what the Go
// types of the published payloads say.
package schematest
