module github.com/smoothl1/smoothl1

go 1.25.0
