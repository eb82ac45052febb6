package config
import ("testing";"time";"fmt";"os";"path/filepath";"strings")
func TestSlow(t *testing.T){
 for _, c := range []string{"[", "a: ", "- ", "\"", "a:\n", "{a: ", "#", "#\n", "x", "'", "\n", "- a: \n", "{},", "a,", "x ", "x\n", "é", "\"a\": ", ": ", "a: {b: c}\n", "a: [b]\n", "  ", "\t", "x: - ", "[[],", "[]", "&a ", "a: {b: {c: [d]}}\n", "[a: b],"} {
 for _, size := range []int{sizeLimit-20, 300_000} {
  s := strings.Repeat(c, size/len(c))
  for _, pre := range []string{"", "[", "credentials: {", "a: ", "a: \"", "credentials:\n  "} {
  b := time.Now(); Parse("x", []byte(pre+s), Options{}); if d:=time.Since(b); d>700*time.Millisecond {fmt.Printf("%d %q %q %v\n", size, pre,c, d)}
 }}}
 fs,_ := filepath.Glob(os.Getenv("HOME")+"/.cache/go-build/fuzz/purser/internal/config/FuzzParse/*")
 for _, f := range fs { d,_ := os.ReadFile(f); b:=time.Now(); Parse("x", d, Options{}); if e:=time.Since(b); e>20*time.Millisecond {fmt.Println(f,len(d),e)}}
}
