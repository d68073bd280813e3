// A fenced write under a lease, and one that comes too late. Go 1.18 or later; psql stands for a driver, so
// that nothing needs to be fetched.
//
//	psql "$DATABASE_URL" -f lock/src/fence/schema.sql -c "create table example_counter as select 0 as n"
//	LEASEHOLD_URL=http://127.0.0.1:3501 DATABASE_URL=postgres://… go run service/sidecar/examples/main.go
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strings"
)

const resource = "example/go"

var sidecar = os.Getenv("LEASEHOLD_URL")

type object map[string]any
type answer struct{ ID, Resource, Token, Holder, Outcome, Link string } // A lease, or what became of it.

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func ask(method, path string, body object) (said answer) {
	sent := bytes.NewReader(must(json.Marshal(body)))
	request := must(http.NewRequest(method, sidecar+path, sent))
	request.Header.Set("content-type", "application/json")
	response := must(http.DefaultClient.Do(request))
	defer response.Body.Close()
	text := must(io.ReadAll(response.Body))
	if response.StatusCode >= 300 {
		log.Fatalf("%s %s: %s", method, path, text) // A document with a stable `code`.
	}
	must(0, json.Unmarshal(text, &said))
	return
}

// As long as this answer is open the sidecar knows that we live, and renews what is bound to it. If we die,
// the connection closes and others need not wait.
func openLink() (string, io.Closer) {
	response := must(http.Get(sidecar + "/v1/link"))
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		// A program that runs for long reads on: an event `lost` names a lease that it has no more.
		if _, data, is := strings.Cut(lines.Text(), "data: "); is {
			var said answer
			must(0, json.Unmarshal([]byte(data), &said))
			return said.Link, response.Body
		}
	}
	panic("the sidecar closed the link")
}

// The claim comes first, since it locks the resource's row: whoever holds an older lease is refused from
// there on, and whoever holds a newer one makes it fail, and the transaction with it.
const count = `select leasehold_claim(:'resource', :'token', :'holder') \g /dev/null
update example_counter set n = n + 1 returning n;`

func countWith(held answer) (string, error) {
	psql := exec.Command("psql", os.Getenv("DATABASE_URL"), "-XAqt1", "-vON_ERROR_STOP=1", "-vVERBOSITY=verbose",
		"-v", "resource="+held.Resource, "-v", "token="+held.Token, "-v", "holder="+held.Holder)
	psql.Stdin = strings.NewReader(count)
	out, err := psql.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func main() {
	link, stream := openLink()
	held := ask("POST", "/v1/leases", object{"resource": resource, "link": link, "wait_ms": 10000})
	fmt.Printf("counted to %s with token %s\n", must(countWith(held)), held.Token)
	fmt.Println(ask("DELETE", "/v1/leases/"+held.ID, nil).Outcome)
	stream.Close()

	// Without a link a lease lasts for its ttl. A program that is paused does not see that it is over.
	late := ask("POST", "/v1/leases", object{"resource": resource, "ttl_ms": 300})
	// Meanwhile another one waits for it, gets it, and writes.
	other := ask("POST", "/v1/leases", object{"resource": resource, "wait_ms": 30000})
	fmt.Printf("another counted to %s with token %s\n", must(countWith(other)), other.Token)
	// The first one goes on where it was, and still believes in its lease. Only the database knows better.
	said, err := countWith(late)
	_, why, isStale := strings.Cut(strings.Split(said, "\n")[0], "LH001: ")
	if err == nil || !isStale {
		log.Fatalf("the late one is not refused: %s", said)
	}
	fmt.Println("the late one is refused:", why)
	ask("DELETE", "/v1/leases/"+other.ID, nil)
}
