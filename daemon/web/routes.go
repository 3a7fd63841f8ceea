package web

import (
	"net/http"
	"reflect"
	"strings"

	"sensed/daemon/command"
	"sensed/daemon/health"
)

// Route is something that the API answers, described for openapi.json.
type Route struct {
	Method  string
	Path    string // below /api/v1/, with {names}
	Summary string
	Query   []Param
	Body    reflect.Type // of the request; nil: none
	Answer  reflect.Type // nil: no JSON
	Code    int          // of a good answer
	Type    string       // of the answer's content when it is no JSON
	// Events are the server-sent events of a stream, by name.
	Events map[string]reflect.Type
	Errors []int // beside those that every route has

	open  bool // without a session
	serve func(*Server, http.ResponseWriter, *http.Request)
}

// Open tells whether it needs no session.
func (r Route) Open() bool { return r.open }

// Param is a parameter of a query.
type Param struct {
	Name, About string
	Type        string // string, integer or date-time
	Many        bool   // it may be there several times
}

var filters = []Param{
	{Name: "source", About: "cards of this source; of several, any of them", Type: "string", Many: true},
	{Name: "kind", About: "cards with an event of this kind; of several, any of them", Type: "string", Many: true},
	{Name: "label", About: "cards with this label; of several, any of them", Type: "string", Many: true},
	{Name: "text", About: "cards that have each of these words", Type: "string"},
	{Name: "from", About: "cards of this time or later", Type: "date-time"},
	{Name: "to", About: "cards before this time", Type: "date-time"},
}

// Routes are all of them, in the order of the description.
func Routes() []Route {
	return []Route{
		{Method: "GET", Path: "openapi.json", Summary: "this description", Type: "application/json", serve: (*Server).openapi},
		{Method: "GET", Path: "session", Summary: "whether the API may be used, and the token for changes", Answer: reflect.TypeFor[Session](), open: true, serve: (*Server).getSession},
		{Method: "POST", Path: "session", Summary: "log in; the session is a cookie", Body: reflect.TypeFor[Login](), Answer: reflect.TypeFor[Session](), Errors: []int{409, 429}, open: true, serve: (*Server).postSession},
		{Method: "DELETE", Path: "session", Summary: "log out", Code: 204, serve: (*Server).deleteSession},
		{Method: "GET", Path: "node", Summary: "the machine and the program", Answer: reflect.TypeFor[Node](), serve: (*Server).node},
		{Method: "GET", Path: "sources", Summary: "the cameras and microphones with their newest words", Answer: reflect.TypeFor[Sources](), serve: (*Server).sources},
		{Method: "GET", Path: "sources/{source}/frame", Summary: "a picture of a camera, after the blackout", Type: "image/jpeg", Errors: []int{404, 503, 504},
			Query: []Param{{Name: "seq", About: "the picture that the stream announced, or a newer one; without it the next", Type: "integer"}, {Name: "width", About: "at most so many pixels wide, 160 to 1280; default 640", Type: "integer"}}, serve: (*Server).frame},
		{Method: "GET", Path: "stream", Summary: "what happens, as server-sent events", Type: "text/event-stream", Errors: []int{503},
			Query: []Param{{Name: "want", About: "levels, health and log, with commas: these events, too", Type: "string"}, {Name: "look", About: "names of cameras, with commas: say when there are pictures", Type: "string"}},
			Events: map[string]reflect.Type{
				"hello": reflect.TypeFor[Node](), "event": reflect.TypeFor[Card](), "source": reflect.TypeFor[Source](), "switch": reflect.TypeFor[command.Setting](),
				"frame": reflect.TypeFor[Frame](), "level": reflect.TypeFor[Level](), "text": reflect.TypeFor[Text](), "health": reflect.TypeFor[health.Snapshot](),
				"log": reflect.TypeFor[Line](), "bye": reflect.TypeFor[Bye](),
			}, serve: (*Server).stream},
		{Method: "GET", Path: "timeline", Summary: "what happened, newest first", Answer: reflect.TypeFor[Timeline](),
			Query: append(filters[:len(filters):len(filters)], Param{Name: "before", About: "cards older than that with this id", Type: "string"}, Param{Name: "limit", About: "at most so many, 1 to 200; default 50", Type: "integer"}), serve: (*Server).timeline},
		{Method: "GET", Path: "timeline/strip", Summary: "how much happened when; from and to are needed", Answer: reflect.TypeFor[Strip](),
			Query: append(filters[:len(filters):len(filters)], Param{Name: "slots", About: "how many spans, 1 to 1000; default 288", Type: "integer"}), serve: (*Server).strip},
		{Method: "GET", Path: "timeline/facets", Summary: "what can be filtered by", Answer: reflect.TypeFor[Facets](), serve: (*Server).facets},
		{Method: "GET", Path: "timeline/{id}", Summary: "one thing that happened", Answer: reflect.TypeFor[Card](), Errors: []int{404}, serve: (*Server).card},
		{Method: "GET", Path: "timeline/{id}/thumbnail", Summary: "its picture, small", Type: "image/jpeg", Errors: []int{404}, serve: (*Server).thumbnail},
		{Method: "POST", Path: "commands/{command}", Summary: "ask, describe, detect, transcribe, snapshot, reload or restart, as over MQTT; with Accept: text/event-stream the answer comes as it is written",
			Body: reflect.TypeFor[command.Request](), Answer: reflect.TypeFor[command.Reply](), Errors: []int{404, 422, 429, 503, 504},
			Events: map[string]reflect.Type{"text": reflect.TypeFor[Piece](), "reply": reflect.TypeFor[command.Reply]()}, serve: (*Server).command},
		{Method: "GET", Path: "switches", Summary: "how the switches stand", Answer: reflect.TypeFor[Switches](), serve: (*Server).switches},
		{Method: "PUT", Path: "switches", Summary: "set a switch, as over MQTT", Body: reflect.TypeFor[Throw](), Answer: reflect.TypeFor[command.Setting](), Errors: []int{422, 429, 503}, serve: (*Server).throw},
		{Method: "GET", Path: "health", Summary: "how the node is doing", Answer: reflect.TypeFor[health.Snapshot](), serve: (*Server).health},
		{Method: "GET", Path: "health/history", Summary: "how it was doing for an hour and a day", Answer: reflect.TypeFor[History](), serve: (*Server).history},
		{Method: "GET", Path: "model", Summary: "the model and its kernels", Answer: reflect.TypeFor[Model](), serve: (*Server).model},
		{Method: "GET", Path: "log", Summary: "the last lines of the log", Answer: reflect.TypeFor[Lines](),
			Query: []Param{{Name: "lines", About: "at most so many, 1 to 1000; default 200", Type: "integer"}}, serve: (*Server).lines},
		{Method: "GET", Path: "config", Summary: "the configuration", Answer: reflect.TypeFor[Configuration](), Errors: []int{404, 409}, serve: (*Server).config},
		{Method: "PUT", Path: "config", Summary: "save a configuration and use it", Body: reflect.TypeFor[Draft](), Answer: reflect.TypeFor[Saved](), Errors: []int{404, 409, 422}, serve: (*Server).saveConfig},
		{Method: "POST", Path: "config/check", Summary: "say what is wrong with a configuration, and what it would change", Body: reflect.TypeFor[Draft](), Answer: reflect.TypeFor[Check](), Errors: []int{404}, serve: (*Server).checkConfig},
		{Method: "GET", Path: "config/backups/{name}", Summary: "an earlier configuration", Answer: reflect.TypeFor[BackupText](), Errors: []int{404, 409}, serve: (*Server).backup},
	}
}

// base is where the API lies below the prefix.
const base = "/api/v1/"

// mux is the whole site, without the prefix.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	paths := map[string]map[string]http.Handler{}
	for _, rt := range Routes() {
		if paths[rt.Path] == nil {
			paths[rt.Path] = map[string]http.Handler{}
		}
		paths[rt.Path][rt.Method] = s.api(&rt)
	}
	for path, methods := range paths {
		mux.Handle(base+path, byMethod(methods))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "the API has nothing there")
	})
	mux.Handle("/", byMethod(map[string]http.Handler{http.MethodGet: s.page}))
	return mux
}

// byMethod chooses a handler by the method of a request.
func byMethod(methods map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h := methods[method]
		if h == nil {
			var names []string
			for name := range methods {
				names = append(names, name)
			}
			w.Header().Set("Allow", strings.Join(names, ", "))
			refuse(w, http.StatusMethodNotAllowed, r.Method+" is not possible here")
			return
		}
		h.ServeHTTP(w, r)
	})
}
