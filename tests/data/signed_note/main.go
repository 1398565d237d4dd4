// Reads checkpoints with Go's own signed notes and transparency logs: nothing here is Proofrail's.
//
// stdin: {"vkey","note","inclusion":[{"index","leaf","proof"}],"consistency":[{"size","root","proof"}]}; hashes are
// base64. stdout: {"origin","size","root","inclusion":[bool],"consistency":[bool]}. Exits 1 when the note does not open.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	VKey      string `json:"vkey"`
	Note      string `json:"note"`
	Inclusion []struct {
		Index int64    `json:"index"`
		Leaf  []byte   `json:"leaf"`
		Proof [][]byte `json:"proof"`
	} `json:"inclusion"`
	Consistency []struct {
		Size  int64    `json:"size"`
		Root  []byte   `json:"root"`
		Proof [][]byte `json:"proof"`
	} `json:"consistency"`
}

type answer struct {
	Origin      string `json:"origin"`
	Size        int64  `json:"size"`
	Root        []byte `json:"root"`
	Inclusion   []bool `json:"inclusion"`
	Consistency []bool `json:"consistency"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	verifier, err := note.NewVerifier(asked.VKey)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(asked.Note), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return err
	}
	told := answer{Origin: lines[0], Size: size, Root: root, Inclusion: []bool{}, Consistency: []bool{}}
	for _, one := range asked.Inclusion {
		err := tlog.CheckRecord(hashes(one.Proof), size, hash(root), one.Index, hash(one.Leaf))
		told.Inclusion = append(told.Inclusion, err == nil)
	}
	for _, one := range asked.Consistency {
		err := tlog.CheckTree(hashes(one.Proof), size, hash(root), one.Size, hash(one.Root))
		told.Consistency = append(told.Consistency, err == nil)
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

func hash(data []byte) (h tlog.Hash) {
	if len(data) != len(h) {
		return tlog.Hash(bytes.Repeat([]byte{0xff}, len(h)))
	}
	copy(h[:], data)
	return h
}

func hashes(data [][]byte) []tlog.Hash {
	found := make([]tlog.Hash, len(data))
	for i, one := range data {
		found[i] = hash(one)
	}
	return found
}
