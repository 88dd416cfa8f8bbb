package gate

import (
	"net/netip"
	"reflect"
	"testing"
)

// Nothing of an answer is left for the next one, whatever fields a question has.
func TestReset(t *testing.T) {
	q := new(Question)
	each := func(visit func(name string, f reflect.Value)) {
		fields := reflect.ValueOf(q).Elem()
		for i := range fields.NumField() {
			if name := fields.Type().Field(i).Name; name != "Walk" { // which Read begins anew
				f := fields.Field(i)
				visit(name, reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()) // may be set, though it isn't exported
			}
		}
	}
	each(func(name string, f reflect.Value) {
		if _, is := reflect.TypeAssert[netip.Addr](f); is {
			f.Set(reflect.ValueOf(addr1))
			return
		}
		switch f.Kind() {
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int64:
			f.SetInt(1)
		default:
			t.Fatalf("%s: a kind that this test doesn't know", name)
		}
	})
	q.grants = make([]grant, 1, 2)[:2] // as after two judgements, of which the second found less
	q.grants[1].write, q.grants = new(batch), q.grants[:1]
	q.Reset()
	if q.grants[:2][1].write != nil {
		t.Error("it holds on to a batch")
	}
	each(func(name string, f reflect.Value) {
		if f.Kind() == reflect.Slice {
			if f.Len() > 0 {
				t.Errorf("%s has something in it", name)
			}
		} else if !f.IsZero() {
			t.Errorf("%s is %v", name, f)
		}
	})
}
