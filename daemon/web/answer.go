package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

const (
	maxBody   = 256 << 10 // bytes of any request
	smallBody = 16 << 10  // bytes of a request that has no configuration
)

// Refusal is an error that says what to answer.
type Refusal struct {
	Code     int // of HTTP
	Why      string
	Problems []Problem
}

func (r *Refusal) Error() string { return r.Why }

// answer writes a value as JSON; a reader that has gone is no loss.
func answer(w http.ResponseWriter, code int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		code, data = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(data, '\n'))
}

// refuse answers no.
func refuse(w http.ResponseWriter, code int, why string) { answer(w, code, Failure{Error: why}) }

// fail answers an error.
func fail(w http.ResponseWriter, err error) {
	var r *Refusal
	if errors.As(err, &r) {
		answer(w, r.Code, Failure{r.Why, r.Problems})
		return
	}
	refuse(w, http.StatusInternalServerError, err.Error())
}

// body reads the body of a request, at most so many bytes of JSON.
func body(w http.ResponseWriter, r *http.Request, most int64) (data []byte, ok bool) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "the request must be application/json")
		return nil, false
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || int64(len(data)) > most:
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes", most))
	case err != nil:
		refuse(w, http.StatusBadRequest, "the request did not come whole")
	default:
		return data, true
	}
	return nil, false
}

// decode reads the body of a request into v.
func decode(w http.ResponseWriter, r *http.Request, most int64, v any) bool {
	data, ok := body(w, r, most)
	if !ok {
		return false
	}
	if err := unmarshal(data, v); err != nil {
		refuse(w, http.StatusBadRequest, "the request cannot be read: "+err.Error())
		return false
	}
	return true
}

// unmarshal reads one JSON value whose fields are all known.
func unmarshal(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}
