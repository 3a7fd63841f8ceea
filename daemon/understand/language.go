package understand

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// languages are the English names of ISO 639-1 codes, as the prompts want
// them. Other languages are given by name.
var languages = map[string]string{
	"af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
	"bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
	"es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician",
	"gu": "Gujarati", "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
	"id": "Indonesian", "ig": "Igbo", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian",
	"kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "ky": "Kyrgyz", "lb": "Luxembourgish", "lo": "Lao",
	"lt": "Lithuanian", "lv": "Latvian", "mi": "Maori", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi",
	"ms": "Malay", "mt": "Maltese", "my": "Burmese", "nb": "Norwegian", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian",
	"or": "Odia", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
	"sd": "Sindhi", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian", "sr": "Serbian",
	"sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "tg": "Tajik", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
	"ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "xh": "Xhosa", "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
}

// languageName turns a code ("de", "pt-BR") or a name ("german") into the name
// that stands in a prompt. A code that is not in the table is an error, since
// the model would be asked for a language called "xx".
func languageName(s string) (string, error) {
	s = strings.TrimSpace(s)
	for _, r := range s {
		if !unicode.IsLetter(r) && r != ' ' && r != '-' && r != '_' && r != '(' && r != ')' {
			return "", fmt.Errorf("language %q: %q does not belong in the name of a language", s, r)
		}
	}
	base, _, _ := strings.Cut(strings.ReplaceAll(s, "_", "-"), "-")
	if name, ok := languages[strings.ToLower(base)]; ok {
		return name, nil
	}
	switch {
	case s == "":
		return "", fmt.Errorf("language is missing; give a name (German) or a code (de)")
	case len(base) <= 3:
		return "", fmt.Errorf("language %q: no such code; write the English name of the language", s)
	case len(s) > 40:
		return "", fmt.Errorf("language %q: too long for the name of a language", s)
	}
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:], nil
}

// Languages are the names of the languages that have a code, sorted.
func Languages() []string {
	return slices.Compact(slices.Sorted(maps.Values(languages)))
}

// CheckLanguage tells what is wrong with the name or the code of a language.
func CheckLanguage(s string) error {
	_, err := languageName(s)
	return err
}
