package hsstest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// answer is what goes back if no fault spoils it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ok is the answer of every accepted write: 200 and no body.
func ok() answer { return answer{status: http.StatusOK} }

func okJSON(v any) answer { return jsonAnswer(http.StatusOK, v) }

func jsonAnswer(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own types come here
	}
	return answer{
		status: status,
		header: http.Header{"Content-Type": {"application/json;charset=utf-8"}},
		body:   body,
	}
}

func htmlAnswer(status int, title string) answer {
	return answer{
		status: status,
		header: http.Header{"Content-Type": {"text/html"}},
		body: fmt.Appendf(nil, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n"+
			"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n", title, title),
	}
}

// refuse is an HSS business error: HTTP 400 with a code of its own.
func refuse(code, description string) answer {
	return jsonAnswer(http.StatusBadRequest, map[string]string{
		"error_code": code, "error_msg": description, "error_description": description,
	})
}

// denied is how the old kernel says that a server doesn't exist for the
// caller: no error_msg and no HSS prefix.
func denied() answer {
	return jsonAnswer(http.StatusBadRequest, map[string]string{
		"error_code": "00000010", "error_description": "拒绝访问",
	})
}

// bad notes a breach of the contract and answers HSS.0001.
func (c *call) bad(format string, args ...any) answer {
	text := fmt.Sprintf(format, args...)
	c.violate("%s", text)
	return refuse("HSS.0001", "Invalid parameter: "+text)
}

// gateway is an error of the API gateway in front of HSS.
func (c *call) gateway(status int, number, message string) *answer {
	a := gatewayAnswer(status, number, message, c.requestID)
	return &a
}

func gatewayAnswer(status int, number, message, requestID string) answer {
	return jsonAnswer(status, map[string]string{
		"error_msg": message, "error_code": "APIGW." + number, "request_id": requestID,
	})
}

func (c *call) unauthorized(reason string) *answer {
	return c.gateway(http.StatusUnauthorized, "0301", "Incorrect IAM authentication information: "+reason)
}

func notPublished(requestID string) answer {
	return gatewayAnswer(http.StatusNotFound, "0101",
		"The API does not exist or has not been published in the environment", requestID)
}

// iamError is an error in IAM's own shape, with a number as its code.
func iamError(status int, message string) answer {
	return jsonAnswer(status, map[string]any{"error": map[string]any{
		"code": status, "message": message, "title": http.StatusText(status),
	}})
}

// statusAnswer is the documented body of a status that a fault asks for.
func statusAnswer(status int, throttled, requestID string) answer {
	switch status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		return answer{status: status}
	case http.StatusBadRequest:
		return refuse("HSS.0001", "Invalid parameter")
	case http.StatusUnauthorized:
		return gatewayAnswer(status, "0301", "Incorrect IAM authentication information: verify aksk signature fail", requestID)
	case http.StatusForbidden:
		return gatewayAnswer(status, "0302", "The IAM user is not allowed to access the API", requestID)
	case http.StatusNotFound:
		return notPublished(requestID)
	case http.StatusTooManyRequests:
		return gatewayAnswer(status, "0308", throttled, requestID)
	case http.StatusInternalServerError:
		return gatewayAnswer(status, "0601", "Internal server error", requestID)
	case http.StatusBadGateway:
		return htmlAnswer(status, "502 Bad Gateway")
	case http.StatusServiceUnavailable:
		return gatewayAnswer(status, "0613", "The IAM service is unavailable", requestID)
	case http.StatusGatewayTimeout:
		return gatewayAnswer(status, "0201", "Backend timeout", requestID)
	}
	return gatewayAnswer(status, "0201", http.StatusText(status), requestID)
}
