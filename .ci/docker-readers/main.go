// Print as JSON what docker's readers of environment files read: compose's (`docker-readers compose FILE`) or that of `docker run
// --env-file` (`docker-readers docker FILE`).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/docker/cli/pkg/kvfile"
)

func read(reader, file string) (map[string]string, error) {
	if reader == "compose" {
		return dotenv.ReadWithLookup(os.LookupEnv, file)
	}
	lines, err := kvfile.Parse(file, os.LookupEnv)
	values := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		values[name] = value
	}
	return values, err
}

func main() {
	values, err := read(os.Args[1], os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(values)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
